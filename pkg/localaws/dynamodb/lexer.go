package dynamodb

import "strings"

// tokens of an expression.
type tokenKind int

const (
	endOfExpression tokenKind = iota
	wordToken                 // attribute name, function or keyword
	nameToken                 // #name
	valueToken                // :value
	indexToken                // digits
	signToken                 // an operator or punctuation
	badToken                  // what belongs in no expression
)

type token struct {
	kind       tokenKind
	text       string
	start, end int
}

func lex(text string) []token {
	var tokens []token
	for at := 0; at < len(text); {
		if strings.IndexByte(" \t\r\n", text[at]) >= 0 {
			at++
			continue
		}
		kind, length := scan(text[at:])
		tokens = append(tokens, token{kind, text[at : at+length], at, at + length})
		at += length
	}
	return append(tokens, token{endOfExpression, "<EOF>", len(text), len(text)})
}

func scan(text string) (kind tokenKind, length int) {
	switch c := text[0]; {
	case isLetter(c):
		return wordToken, run(text)
	case isDigit(c):
		length = 1
		for length < len(text) && isDigit(text[length]) {
			length++
		}
		return indexToken, length
	case c == '#' || c == ':':
		length = 1 + run(text[1:])
		if length == 1 {
			return badToken, 1
		}
		if c == '#' {
			return nameToken, length
		}
		return valueToken, length
	}
	for _, sign := range []string{"<>", "<=", ">=", "=", "<", ">", "(", ")", "[", "]", ",", ".", "+", "-"} {
		if strings.HasPrefix(text, sign) {
			return signToken, len(sign)
		}
	}
	// A character is not cut in two.
	for _, r := range text {
		return badToken, min(len(string(r)), len(text))
	}
	return badToken, 1
}

func run(text string) int {
	length := 0
	for length < len(text) && (isLetter(text[length]) || isDigit(text[length])) {
		length++
	}
	return length
}

func isLetter(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_'
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
