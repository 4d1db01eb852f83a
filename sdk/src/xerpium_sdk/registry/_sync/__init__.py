# Generated from sdk/src/xerpium_sdk/registry/_async/__init__.py by tools/unasync.py; change that file, not this one.
"""The clients for threads."""
