"""Torch maths only: conventions, the Fourier disk, rotations, CTF, volumes, the image model, losses."""
