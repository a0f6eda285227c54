"""What each command says for people: a function from its report to lines, by family."""
