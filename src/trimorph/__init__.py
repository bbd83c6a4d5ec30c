"""trimorph."""
