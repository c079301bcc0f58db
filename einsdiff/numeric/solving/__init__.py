"""Linear equations, solved by their structure."""
