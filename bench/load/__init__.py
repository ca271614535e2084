"""What sends the load: programs of their own, so that they take none of the time of what steers them."""
