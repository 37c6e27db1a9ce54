package awsjson

import (
	"strings"
)

// nearest returns the candidate that a typing mistake turned into name, or "".
func nearest(name string, candidates []string) string {
	if len(name) > 64 {
		return "" // no typing mistake
	}
	best, bestDistance := "", 1+len(name)/3
	for _, c := range candidates {
		if distance := editDistance(strings.ToLower(name), strings.ToLower(c)); distance <= bestDistance {
			if distance < bestDistance || best == "" {
				best, bestDistance = c, distance
			}
		}
	}
	return best
}

// editDistance counts the letters to insert, delete, replace or swap with
// their neighbour.
func editDistance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			replace := rows[i-1][j-1]
			if a[i-1] != b[j-1] {
				replace++
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, replace)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
