# Make ntc.yaml(5) of configs/ntc.yaml: its comments are the explanations, its values the defaults.
function escaped(text) {
    gsub(/\\/, "\\e", text)
    gsub(/-/, "\\-", text)
    gsub(/"/, "\\(dq", text)
    return text
}
BEGIN {
    print ".TH NTC.YAML 5 \"\" \"NTC " version "\" \"NTC\""
    print ".SH NAME\nntc.yaml \\- configuration of NTC"
    print ".SH SYNOPSIS\n.I /etc/ntc/ntc.yaml"
    print ".SH DESCRIPTION"
    print "One YAML file for\n.BR ntc\\-collector (8),\n.BR ntc\\-aggregator (8)\nand\n.BR ntc\\-gateway (8)."
    print "Every key has a default, shown here; the shortest valid file is empty."
    print "Unknown keys and bad values are errors that name file, line, key and what would be right."
    print ".PP\n.B ntc\\-gateway \\-\\-check\\-config\nprints what is in effect."
    print "After a change restart what runs:\n.BR \"systemctl restart ntc.target\" ."
    print "Values of the Debian package that differ from the defaults are in the file itself."
}
/^[a-z_]+:/ {
    block = $1
    sub(/:.*/, "", block)
    print ".SH " toupper(block)
    text = ""
}
/^  #/ {
    sub(/^  # ?/, "")
    text = text escaped($0) "\n"
}
/^  [a-z_0-9]+:/ {
    key = $1
    sub(/:$/, "", key)
    value = $0
    sub(/^  [a-z_0-9]+: */, "", value)
    print ".TP\n.BR " escaped(block "." key) " \" (default: " escaped(value) ")\""
    printf "%s", text
    text = ""
}
END {
    print ".SH FILES\n.TP\n.I /etc/ntc/ntc.yaml\nread by default, if it exists"
    print ".SH SEE ALSO"
    print ".BR ntc\\-collector (8),\n.BR ntc\\-aggregator (8),\n.BR ntc\\-gateway (8)"
}
