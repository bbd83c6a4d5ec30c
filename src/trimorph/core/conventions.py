"""The conventions of trimorph: the only place where they are written down.

Units
    Å, 1/Å and radians everywhere inside. A suffix (``angle_deg``) marks a value that is not canonical,
    as at a file's border. Voltage is in kV and spherical aberration in mm, as every file gives them.

Grids
    Volumes are indexed ``[z, y, x]`` and images ``[y, x]``; coordinates are ``(x, y, z)``. The origin is
    voxel ``box // 2`` for even and odd boxes alike: ``x = (index - box // 2) * pixel_size``. A voxel value is
    a density; a pixel of a projection is the sum of the voxels along z.

Poses
    ``rotation`` R takes the object to the image, x_image = R x_object. R equals RELION's
    ``Euler_angles2matrix(rot, tilt, psi)`` and the transpose of cryoSPARC's ``expm(pose)``. A central slice
    samples the volume's transform at k = R^T (kx, ky, 0).
    ``shift`` (x, y) is what moves the observed image so that its particle is centred (RELION's
    ``rlnOriginXAngst``); a model is moved by the opposite.

Fourier transform
    Unnormalised and centred on the origin voxel: F(k) = sum_x f(x) exp(-2 pi i k x). Images are real, so
    the half plane kx >= 0 is kept, with Parseval weights: 2 for a pixel whose mate is left out, 1 on the
    line kx = 0. Frequencies lie strictly inside Nyquist.

Contrast
    The CTF has RELION's sign: +amplitude_contrast at k = 0, first lobe positive under underfocus; protein is
    bright. Images of the opposite contrast are inverted when they are read.

Numbers
    In files, tables, reports and options, particles (and their copies) and Gaussians count from 0, as rows of
    their files do. All else counts from 1: states, classes, clusters, latent and principal components, modes,
    segments, half sets, points along a path, maps of a series, epochs. Arrays in Python count from 0.

Noise
    ``power`` is E|F(k)|^2 of the noise in the unnormalised transform: white noise of standard deviation s
    in a box of n pixels has power n^2 s^2.
"""

VERSION = 1
"""Raised when a convention changes; written into every run directory."""
