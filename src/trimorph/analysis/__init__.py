"""What latents say: selections of particles, and the way back to their files."""
