# Generated from sdk/src/xerpium_sdk/ui/_async/__init__.py by tools/unasync.py; change that file, not this one.
"""With threads."""
