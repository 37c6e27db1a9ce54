package dynamodb

import (
	"math/big"
	"strconv"
	"strings"
)

// number is a DynamoDB number, 0.digits × 10^exp. It has at most 38 significant
// digits, so float64 holds few of them:
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html
type number struct {
	negative bool
	digits   string // without zeros at either end; empty is zero
	exp      int
}

const (
	maxDigits = 38
	maxExp    = 126  // of 9.99…E+125
	minExp    = -129 // of 1E-130
)

func parseNumber(text string) (number, *Error) {
	if text == "" {
		return number{}, invalid("The parameter cannot be converted to a numeric value")
	}
	n, ok := scanNumber(text)
	if !ok {
		return number{}, invalid("The parameter cannot be converted to a numeric value: %s", text)
	}
	return n, n.check()
}

func scanNumber(text string) (number, bool) {
	var n number
	rest := text
	if sign := rest[0]; sign == '-' || sign == '+' {
		n.negative, rest = sign == '-', rest[1:]
	}
	mantissa, exponent, scientific := cutAny(rest, "eE")
	if scientific {
		// More digits than any exponent in range has are out of range as well.
		exp, err := strconv.ParseInt(exponent, 10, 32)
		if err != nil {
			return n, false
		}
		n.exp = int(exp)
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	all := whole + fraction
	if all == "" || strings.Trim(all, "0123456789") != "" {
		return n, false
	}
	return n.normal(all, len(whole)+n.exp), true
}

func cutAny(s, chars string) (before, after string, found bool) {
	if i := strings.IndexAny(s, chars); i >= 0 {
		return s[:i], s[i+1:], true
	}
	return s, "", false
}

// normal gives n the digits of 0.all × 10^exp.
func (n number) normal(all string, exp int) number {
	n.digits = strings.TrimLeft(all, "0")
	n.exp = exp - (len(all) - len(n.digits))
	n.digits = strings.TrimRight(n.digits, "0")
	if n.digits == "" {
		return number{}
	}
	return n
}

func (n number) check() *Error {
	switch {
	case n.digits == "":
		return nil
	case n.exp > maxExp:
		return invalid("Number overflow. Attempting to store a number with magnitude larger than supported range")
	case n.exp < minExp:
		return invalid("Number underflow. Attempting to store a number with magnitude smaller than supported range")
	case len(n.digits) > maxDigits:
		return invalid("Attempting to store more than 38 significant digits in a Number")
	}
	return nil
}

// String is the number as DynamoDB answers it, without an exponent.
func (n number) String() string {
	var text string
	switch size := len(n.digits); {
	case size == 0:
		return "0"
	case n.exp <= 0:
		text = "0." + strings.Repeat("0", -n.exp) + n.digits
	case n.exp >= size:
		text = n.digits + strings.Repeat("0", n.exp-size)
	default:
		text = n.digits[:n.exp] + "." + n.digits[n.exp:]
	}
	if n.negative {
		return "-" + text
	}
	return text
}

func (n number) sign() int {
	switch {
	case n.digits == "":
		return 0
	case n.negative:
		return -1
	}
	return 1
}

func (n number) compare(m number) int {
	sign := n.sign()
	if sign != m.sign() {
		return sign - m.sign()
	}
	if n.exp != m.exp {
		return sign * (n.exp - m.exp)
	}
	return sign * strings.Compare(n.digits, m.digits)
}

func (n number) negated() number {
	n.negative = n.digits != "" && !n.negative
	return n
}

func (n number) add(m number) (number, *Error) {
	// Both as whole numbers of the smaller unit.
	unit := min(n.exp-len(n.digits), m.exp-len(m.digits))
	sum := new(big.Int).Add(n.scaled(unit), m.scaled(unit))
	result := number{negative: sum.Sign() < 0}
	digits := new(big.Int).Abs(sum).String()
	result = result.normal(digits, len(digits)+unit)
	return result, result.check()
}

func (n number) scaled(unit int) *big.Int {
	value := new(big.Int)
	if n.digits == "" {
		return value
	}
	value.SetString(n.digits+strings.Repeat("0", n.exp-len(n.digits)-unit), 10)
	if n.negative {
		value.Neg(value)
	}
	return value
}

// size is what the number takes in an item: one byte for two digits, aligned to
// even exponents, one for all, and one for the sign.
func (n number) size() int {
	if n.digits == "" {
		return 1
	}
	size := 1 + (len(n.digits)+1)/2
	if len(n.digits)%2 == 0 && (n.exp-1)%2 == 0 {
		size++
	}
	if n.negative {
		size++
	}
	return size
}
