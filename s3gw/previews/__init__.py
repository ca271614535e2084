"""Makes small pictures of contents that nobody vouches for: which recipes there are, of what they can be made, and the
child process that makes one. It knows neither objects nor who asks.
"""
