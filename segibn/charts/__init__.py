"""All charts: data in, a matplotlib ``Figure`` out; SVG for the report, pixels for files."""
