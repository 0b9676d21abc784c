"""The science, step by step: tables in, new tables out, no disk. Steps talk through tables and never import each other."""
