"""From what is asked for to cells: selection, recipes, samples, job. No torch here."""
