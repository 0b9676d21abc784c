"""The dossier: one zip by which a third party can check a trip, gap, call, sighting or match without us.

case        what the folder knows of the subject, the original lines, the route as used
citations   numbers for the lines and pictures that are cited, in order of first mention
claims telling limits   the case in words, and what holds for the whole run: one list of paragraphs, tables and citations
wording document        how things are written; the structure that holds them, free of any format
as_html as_markdown as_docx   the same list in three formats, so that they cannot disagree
rows crate archive            tables, RO-Crate description and hash list, a zip of the same bytes each time
bundle      all of it together
"""
