"""Files to tables and images; simulated data with known truth."""
