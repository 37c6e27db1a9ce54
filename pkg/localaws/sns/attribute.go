package sns

import (
	"encoding/base64"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"errand/pkg/localaws/host"
)

// messageAttributes reads and checks the attributes of a message. size is what
// they add to the message's.
func messageAttributes(form url.Values) (attributes map[string]Attribute, size int, err error) {
	for i := 1; ; i++ {
		prefix := "MessageAttributes.entry." + strconv.Itoa(i) + "."
		if !form.Has(prefix + "Name") {
			return attributes, size, nil
		}
		name, kind := form.Get(prefix+"Name"), form.Get(prefix+"Value.DataType")
		if err := checkAttributeName(name); err != nil {
			return nil, 0, err
		}
		if !form.Has(prefix + "Value.DataType") {
			return nil, 0, host.BadRequest("ValidationError", "1 validation error detected: Value null at 'messageAttributes.%s.member.dataType' failed to satisfy constraint: Member must not be null", name)
		}
		text, binary := prefix+"Value.StringValue", prefix+"Value.BinaryValue"
		field, other, fieldName := text, binary, "String"
		switch basic, _, _ := strings.Cut(kind, "."); basic {
		case "String", "Number":
		case "Binary":
			field, other, fieldName = binary, text, "Binary"
		default:
			return nil, 0, invalidValue("The message attribute '%s' has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String.", name)
		}
		value := form.Get(field)
		if value == "" && form.Get(other) != "" {
			return nil, 0, invalidValue("The message attribute '%s' with type '%s' must use field '%s'.", name, kind, fieldName)
		}
		if value == "" {
			return nil, 0, invalidValue("The message attribute '%s' must contain non-empty message attribute value for message attribute type '%s'.", name, kind)
		}
		if _, ok := attributeNumber(Attribute{Type: kind, Value: value}); !ok && strings.HasPrefix(kind, "Number") {
			return nil, 0, invalidValue("Could not cast message attribute '%s' value to number.", name)
		}
		length := len(value)
		if fieldName == "Binary" {
			data, err := base64.StdEncoding.DecodeString(value)
			if err != nil {
				return nil, 0, invalidValue("The message attribute '%s' contains an invalid Base64 Encoded String as a binary value", name)
			}
			length = len(data)
		}
		if attributes == nil {
			attributes = map[string]Attribute{}
		}
		attributes[name] = Attribute{Type: kind, Value: value}
		size += len(name) + len(kind) + length
	}
}

func checkAttributeName(name string) error {
	switch {
	case name == "":
		return invalidValue("The request must contain non-empty message attribute name.")
	case len(name) > 256:
		return invalidValue("Length of message attribute name must be less than 256 bytes.")
	case strings.HasPrefix(name, "."):
		return invalidValue("Invalid message attribute name starting with character '.' was found.")
	case strings.HasSuffix(name, "."):
		return invalidValue("Invalid message attribute name ending with character '.' was found.")
	case strings.Contains(name, ".."):
		return invalidValue("Message attribute name can not have successive '.' character.")
	}
	if lower := strings.ToLower(name); strings.HasPrefix(lower, "aws.") || strings.HasPrefix(lower, "amazon.") {
		return invalidValue("You can't use message attribute names beginning with 'AWS.' or 'Amazon.'. These strings are reserved for internal use.")
	}
	for _, r := range name {
		if r >= utf8.RuneSelf || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-_.", r) {
			return invalidValue("Invalid non-alphanumeric character '#x%X' was found in the message attribute name. Can only include alphanumeric characters, hyphens, underscores, or dots.", r)
		}
	}
	return nil
}

var decimal = regexp.MustCompile(`^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$`)

func attributeNumber(a Attribute) (float64, bool) {
	f, err := strconv.ParseFloat(a.Value, 64)
	return f, err == nil && strings.HasPrefix(a.Type, "Number") && decimal.MatchString(a.Value)
}
