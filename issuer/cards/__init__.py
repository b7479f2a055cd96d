"""Cards: issued with a number, an expiry and perhaps a PIN; blocked, lost, stolen, closed."""
