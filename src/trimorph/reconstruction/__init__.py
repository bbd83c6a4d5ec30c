"""Weighted back-projection, half maps, masks and FSC."""
