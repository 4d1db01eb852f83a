# Generated from sdk/src/xerpium_sdk/calls/_async/__init__.py by tools/unasync.py; change that file, not this one.
"""With threads."""
