"""What the reports of many searches mean together: whom to stop, and why; no Ray, no clock."""
