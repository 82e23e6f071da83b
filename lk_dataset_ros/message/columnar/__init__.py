"""Many messages at once: decoded to columns, encoded from columns, columns as tables."""
