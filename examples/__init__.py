"""Four small worlds, written by us, and what loads them."""
