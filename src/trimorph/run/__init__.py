"""Recipe: what to do. Run: the directory where everything of a run lies."""
