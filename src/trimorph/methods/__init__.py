"""The generative models, one self-contained file each, and what they share."""
