package settings

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// fill sets the fields of a struct to the values of the variables in their tags,
// which are those of github.com/caarlos0/env. It does so in less than half of
// that library's time, which every start waits for.
func fill(to reflect.Value, values map[string]string) []string {
	var problems []string
	for i := range to.NumField() {
		field := to.Type().Field(i)
		if field.Anonymous {
			problems = append(problems, fill(to.Field(i), values)...)
			continue
		}
		name, options, _ := strings.Cut(field.Tag.Get("env"), ",")
		value := values[name]
		// CloudFormation cannot leave a variable out, only empty.
		if value == "" {
			value = field.Tag.Get("envDefault")
		}
		switch {
		case value != "":
			if err := set(to.Field(i).Addr().Interface(), value); err != nil {
				problems = append(problems, fmt.Sprintf("%s: %q must be a value of type %s", name, value, field.Type))
			}
		case options != "": // required,notEmpty
			problems = append(problems, name+": must be set")
		}
	}
	return problems
}

func set(to any, value string) (err error) {
	switch to := to.(type) {
	case *string:
		*to = value
	case *[]string:
		*to = strings.Split(value, ",")
	case *int:
		*to, err = strconv.Atoi(value)
	case *bool:
		*to, err = strconv.ParseBool(value)
	default:
		panic(fmt.Sprintf("settings of type %T are not read", to))
	}
	return err
}
