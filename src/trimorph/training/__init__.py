"""The one training loop, and what it stands on: sampling, schedules, precision, processes, checkpoints."""
