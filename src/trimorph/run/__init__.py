"""Recipes, run directories, and the whole jobs made of the layers below."""
