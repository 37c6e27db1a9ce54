package dynamodb

import (
	"cmp"
	"fmt"
	"math/big"
	"math/rand/v2"
	"testing"
)

// TestNumbers compares the arithmetic with that of math/big.
func TestNumbers(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	text := func() string {
		digits := fmt.Sprint(random.Uint64())[:1+random.IntN(17)]
		point := random.IntN(len(digits) + 1)
		return fmt.Sprintf("%s%s.%sE%d", []string{"", "-", "+"}[random.IntN(3)], digits[:point], digits[point:], random.IntN(9)-4)
	}
	rational := func(text string) *big.Rat {
		r, ok := new(big.Rat).SetString(text)
		if !ok {
			t.Fatalf("%q is no number", text)
		}
		return r
	}
	for range 10_000 {
		a, b := text(), text()
		x, err := parseNumber(a)
		if err != nil {
			t.Fatal(a, err)
		}
		y, _ := parseNumber(b)
		ra, rb := rational(a), rational(b)
		if rational(x.String()).Cmp(ra) != 0 {
			t.Errorf("%s became %s", a, x)
		}
		if cmp.Compare(x.compare(y), 0) != ra.Cmp(rb) {
			t.Errorf("%s and %s are ordered %d", a, b, x.compare(y))
		}
		sum, err := x.add(y)
		if err != nil {
			t.Fatal(a, b, err)
		}
		if rational(sum.String()).Cmp(new(big.Rat).Add(ra, rb)) != 0 {
			t.Errorf("%s + %s = %s", a, b, sum)
		}
		if zero, _ := x.add(x.negated()); zero != (number{}) {
			t.Errorf("%s - itself = %s", a, zero)
		}
	}
}

func TestBadNumbers(t *testing.T) {
	for _, text := range []string{"", "-", ".", "e1", "1e", "1e1.5", "0x1", "1_000", " 1", "1 ", "NaN", "Infinity", "1E126", "-1E126", "1E-131", "1E999999999999", "1e+-1"} {
		if n, err := parseNumber(text); err == nil {
			t.Errorf("%q is taken for %s", text, n)
		}
	}
	for text, want := range map[string]string{
		"1.": "1", ".5": "0.5", "1e+2": "100", "0E999": "0", "9.9999999999999999999999999999999999999E+125": "", "-0.00": "0",
	} {
		n, err := parseNumber(text)
		if err != nil || want != "" && n.String() != want {
			t.Errorf("%q is %s, %v", text, n, err)
		}
	}
}
