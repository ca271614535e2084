"""The console: pages for people, rendered here. All that they show and do is asked of the JSON API (api_call.py), so
nothing can be done here alone. docs/console.md has the screens, and the call behind each.
"""
