"""ACH files: between banks in the United States, as the Nacha Operating Rules have them."""
