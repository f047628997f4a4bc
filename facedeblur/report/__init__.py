"""Tables, plots and self-contained HTML pages, made from the files that training and evaluation leave behind."""
