"""The parts of the judge: scores of probabilities, curves and their drawing, what each factor is worth, pieces hidden from real
tracks, and the bound that no judge can pass.
"""
