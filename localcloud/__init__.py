"""Everything that stands in for AWS on one machine; nothing here is ever shipped."""
