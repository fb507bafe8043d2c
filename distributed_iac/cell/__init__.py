"""The searched cell, the discrete cell, and how either is implanted in a backbone."""
