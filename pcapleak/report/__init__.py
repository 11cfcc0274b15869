"""The report written for its readers: terminal, JSON, HTML, tables, pictures, evidence."""
