"""Results against known truth."""
