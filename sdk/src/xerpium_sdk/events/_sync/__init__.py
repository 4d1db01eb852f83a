# Generated from sdk/src/xerpium_sdk/events/_async/__init__.py by tools/unasync.py; change that file, not this one.
"""Publishing with threads."""
