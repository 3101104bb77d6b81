"""skorch nets: stages, freezing, history, and how their modules run over rows."""
