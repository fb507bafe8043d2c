"""The command line: small functions over the rooms below."""
