"""What each kind of job does, and what it leaves behind."""
