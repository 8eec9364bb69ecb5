# manual.awk, over the manual page that swift-argument-parser makes: what its discussions need to be a page.
#
#   awk -v shown="cost sweep ..." -f Scripts/manual.awk ringbench.1
#
# An empty line, of which groff warns, becomes a paragraph. A line that begins with blanks is one to copy: it is neither
# filled nor hyphenated. A command that the program does not list (shown) has no section.

/^\.El/ { depth-- }
depth == 1 && /^\.It Em / { hidden = index(" " shown " ", " " $3 " ") == 0 }
depth == 0 { hidden = 0 }
/^\.Bl/ { depth++ }
hidden { next }
/^  / && !literal { print ".Bd -literal -compact" }
!/^  / && literal { print ".Ed" }
{ literal = /^  / }
/^$/ { print ".Pp"; next }
# The program runs without one.
/^\.Ar subcommand$/ && !synopsis++ { print ".Op Ar subcommand"; next }
{ print }
