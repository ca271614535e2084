"""The pages of share links, on a listener of their own: what whoever has a link sees, gets and sends. It makes the
Calls that the link's maker would make, and has no rights of its own.
"""
