package ecs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// startError words a failure as Fargate and runc do.
func startError(format string, args ...any) error {
	return fmt.Errorf("ResourceInitializationError: failed to create new container runtime task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: "+format+": unknown", args...)
}

// LookPath finds the program in the PATH of the container, which is not ours.
func LookPath(name, dir string, env []string) (string, error) {
	if strings.Contains(name, "/") {
		file := name
		if !filepath.IsAbs(file) {
			file = filepath.Join(dir, file)
		}
		info, err := os.Stat(file)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return "", fmt.Errorf("stat %s: no such file or directory", name)
		case err != nil:
			return "", err
		case info.IsDir():
			return "", errors.New("is a directory")
		case info.Mode()&0o111 == 0:
			return "", errors.New("permission denied")
		}
		// A relative path counts from the working directory, in which the
		// process is before it becomes the program.
		return name, nil
	}
	search := ""
	for _, pair := range env {
		if value, ok := strings.CutPrefix(pair, "PATH="); ok {
			search = value
		}
	}
	for _, folder := range filepath.SplitList(search) {
		file := filepath.Join(folder, name)
		if info, err := os.Stat(file); err == nil && !info.IsDir() && info.Mode()&0o111 != 0 {
			return file, nil
		}
	}
	return "", errors.New("executable file not found in $PATH")
}
