# Names what is public and has no documentation: a declaration that begins behind an empty line or a brace, and not with `///`.
FNR == 1 { before = ""; is_private = 0 }
/^[a-z].*[{]$/ { is_private = /(class|enum|extension|mixin)( type( const)?)? _/ || !/(class|enum|extension)/ }
/^[a-z@]/ || (/^  [A-Za-z@]/ && !is_private) {
  begins = before == "" || before ~ /^[a-z].*[{]$/
  if (begins && !/^(import|export|library)/ && !/^ *@(override|JS)/ && !/(^|[ .])_/) {
    print FILENAME ":" FNR ": " $0
    bad = 1
  }
}
{ before = $0 }
END { exit bad }
