#!/bin/awk -f
# Flattens the part of YAML that #cloud-config files and meta-data use: one line "key<TAB>value" per
# value or list item, escaped for printf %b. Lists in lists become shell words.

function escape(part) {
    gsub(/\\/, "\\\\", part)
    gsub(/\n/, "\\n", part)
    gsub(/\t/, "\\t", part)
    return part
}

function emit(name, part) { print name "\t" escape(part) }

function plain(part,   mark) {
    sub(/^[ \t]+/, "", part)
    sub(/[ \t\r]+$/, "", part)
    mark = substr(part, 1, 1)
    if (mark == "\"" || mark == "'") {
        part = substr(part, 2, length(part) - 2)
        if (mark == "'") gsub(/''/, "'", part)
        else {
            gsub(/\\"/, "\"", part)
            gsub(/\\\\/, "\\", part)
        }
        return part
    }
    sub(/ #.*$/, "", part)
    return part
}

function shell_word(part) {
    gsub(/'/, "'\\''", part)
    return "'" part "'"
}

# Splits "[a, 'b, c', d]" into items[1..]; returns their number.
function flow_items(part,   count, c, quote, item) {
    part = substr(part, 2)
    item = ""
    while (part != "") {
        c = substr(part, 1, 1)
        part = substr(part, 2)
        if (quote == "" && (c == "," || c == "]")) {
            items[++count] = plain(item)
            item = ""
            if (c == "]") return count
            continue
        }
        if (c == quote) quote = ""
        else if (quote == "" && (c == "\"" || c == "'")) quote = c
        item = item c
    }
    return count
}

function flow_words(part,   count, i, words) {
    count = flow_items(part)
    for (i = 1; i <= count; i++) words = words (i > 1 ? " " : "") shell_word(items[i])
    return words
}

function finish_words() {
    if (words != "") emit(key, words)
    words = ""
}

function start_block(indent, by_line) {
    in_block = 1
    block_indent = indent
    block_by_line = by_line
    block = ""
    block_margin = -1
}

function finish_block(   count, lines, i) {
    if (!in_block) return
    in_block = 0
    if (!block_by_line) {
        emit(key, block)
        return
    }
    count = split(block, lines, "\n")
    for (i = 1; i <= count; i++) if (lines[i] != "") emit(key, lines[i])
}

function list_item(indent, body) {
    if (body ~ /^- /) {
        words = shell_word(plain(substr(body, 3)))
        words_indent = indent + 2
    } else if (body ~ /^[|>]/) start_block(indent, 0)
    else if (body ~ /^\[/) emit(key, flow_words(body))
    else emit(key, plain(body))
}

function scalar(name, body, indent,   count, i) {
    if (body ~ /^[|>]/) start_block(indent, name == "chpasswd")
    else if (body ~ /^\[/) {
        count = flow_items(body)
        for (i = 1; i <= count; i++) emit(name, items[i])
    } else if (body != "" && body !~ /^\{/) emit(name, plain(body))
}

{
    match($0, /^ */)
    indent = RLENGTH
    rest = substr($0, indent + 1)
}

in_block && (rest == "" || indent > block_indent) {
    if (block_margin < 0) block_margin = indent
    block = block substr($0, block_margin + 1) "\n"
    next
}

{ finish_block() }

rest == "" || rest ~ /^#/ || rest ~ /^---/ { next }

words != "" && indent == words_indent && rest ~ /^- / {
    words = words " " shell_word(plain(substr(rest, 3)))
    next
}

{ finish_words() }

rest ~ /^- / {
    body = substr(rest, 3)
    sub(/^ +/, "", body)
    list_item(indent, body)
    next
}

match(rest, /^[A-Za-z_-]+:/) {
    name = substr(rest, 1, RLENGTH - 1)
    body = substr(rest, RLENGTH + 1)
    sub(/^ +/, "", body)
    if (indent == 0) key = name
    if (indent == 0 || name == "list") scalar(key, body, indent)
}

END {
    finish_block()
    finish_words()
}
