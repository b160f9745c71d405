"""Pictures of scenes and of whole traces, drawn by matplotlib: no window, no state of pyplot, text that stays text."""
