"""What each kind of job does, what it leaves behind, and under which name that is found again."""
