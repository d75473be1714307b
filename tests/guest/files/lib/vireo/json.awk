#!/bin/awk -f
# Flattens JSON documents: one line "path.of.member<TAB>value" per value, escaped for printf %b.

function blank() { sub(/^[ \t\r\n]+/, "", text) }

function take(count,   part) {
    part = substr(text, 1, count)
    text = substr(text, count + 1)
    return part
}

function escape(part) {
    gsub(/\\/, "\\\\", part)
    gsub(/\n/, "\\n", part)
    gsub(/\t/, "\\t", part)
    return part
}

function string(   out, c) {
    take(1)
    while (text != "" && (c = take(1)) != "\"") {
        if (c == "\\") {
            c = take(1)
            if (c == "n") c = "\n"
            else if (c == "t") c = "\t"
            else if (c == "u") c = sprintf("%c", hexadecimal(take(4)))
        }
        out = out c
    }
    return out
}

function hexadecimal(digits,   i, sum) {
    for (i = 1; i <= length(digits); i++)
        sum = sum * 16 + index("0123456789abcdef", tolower(substr(digits, i, 1))) - 1
    return sum
}

function members(path, close_mark, is_object,   i, name) {
    take(1)
    blank()
    for (i = 0; text != "" && substr(text, 1, 1) != close_mark; i++) {
        name = i
        if (is_object) {
            name = string()
            blank()
            take(1)
        }
        value(path == "" ? name : path "." name)
        blank()
        if (substr(text, 1, 1) == ",") take(1)
        blank()
    }
    take(1)
}

function value(path,   first) {
    blank()
    first = substr(text, 1, 1)
    if (first == "{") members(path, "}", 1)
    else if (first == "[") members(path, "]", 0)
    else if (first == "\"") print path "\t" escape(string())
    else if (match(text, /^[^],} \t\r\n]+/)) print path "\t" take(RLENGTH)
    else take(1)
}

{ text = text $0 "\n" }
END { value("") }
