package sdk

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestInstall installs each library as its README says, into a directory of
// its own, and uses it from there: it has all that it needs, its dialects too.
func TestInstall(t *testing.T) {
	t.Parallel()
	for _, l := range []struct {
		name    string
		missing string
		install [][]string // with {sdk}: a copy of the library
		use     []string
	}{
		{
			"node", missingNode() + missing("npm", "npm")(),
			[][]string{{"npm", "init", "--yes"}, {"npm", "pack", "{sdk}"}, {"npm", "install", "--offline", "--no-audit", "./malote-dev-sdk-0.0.0.tgz"}},
			[]string{"node", "-e", `try { require("@malote-dev/sdk").unwrap({dialect: "standard", headers: {}, body: "{}", secret: "whsec_` + anySecret + `"}) } catch (e) { console.log(e.cause) }`},
		},
		{
			"node, linked", missingNode() + missing("npm", "npm")(),
			[][]string{{"npm", "init", "--yes"}, {"npm", "install", "--offline", "--no-audit", "{sdk}"}},
			[]string{"node", "--input-type=module", "-e", `import { unwrap } from "@malote-dev/sdk"; try { unwrap({dialect: "tarefa", headers: {}, body: "{}", secret: "whsec_` + anySecret + `"}) } catch (e) { console.log(e.cause) }`},
		},
		{
			"python", missingSetuptools(),
			// Without isolation pip fetches nothing; setuptools is there.
			[][]string{{"python3", "-m", "pip", "install", "--quiet", "--no-index", "--no-build-isolation", "--no-deps", "--target", "packages", "{sdk}"}},
			[]string{"env", "PYTHONPATH=packages", "python3", "-c", "import malote\ntry: malote.unwrap({}, b'{}', 'whsec_" + anySecret + "', 'standard')\nexcept malote.VerificationError as e: print(e.cause)"},
		},
		{
			"php", missing("php", "php-cli")(), nil,
			[]string{"php", "-r", `require "sdk/php/autoload.php"; try { (new Malote\Webhook("whsec_` + anySecret + `", "standard"))->unwrap([], "{}"); } catch (Malote\VerificationException $e) { echo $e->cause; }`},
		},
		{
			"php, as Composer loads it", missing("php", "php-cli")(), nil,
			[]string{"php", "-r", `foreach (json_decode(file_get_contents("sdk/php/composer.json"), true)["autoload"]["psr-4"] as $ns => $dir)
				spl_autoload_register(fn ($c) => str_starts_with($c, $ns) && require "sdk/php/$dir" . strtr(substr($c, strlen($ns)), "\\", "/") . ".php");
				try { (new Malote\Webhook("whsec_` + anySecret + `", "standard"))->unwrap([], "{}"); } catch (Malote\VerificationException $e) { echo $e->cause; }`},
		},
	} {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			need(t, l.missing)
			dir, of := t.TempDir(), strings.Split(l.name, ",")[0]
			// A copy: building leaves files beside the source.
			if err := os.CopyFS(filepath.Join(dir, "sdk", of), os.DirFS(of)); err != nil {
				t.Fatal(err)
			}
			run := func(argv []string) string {
				for i := range argv {
					argv[i] = strings.ReplaceAll(argv[i], "{sdk}", "./sdk/"+of)
				}
				cmd := exec.CommandContext(t.Context(), argv[0], argv[1:]...)
				cmd.Dir = dir
				out, err := cmd.CombinedOutput()
				if err != nil {
					t.Fatalf("%v: %v\n%s", argv, err, out)
				}
				return string(out)
			}
			for _, argv := range l.install {
				run(argv)
			}
			if out := run(l.use); strings.TrimSpace(out) != "missing_header" {
				t.Errorf("used: %s", out)
			}
		})
	}
}

// anySecret is the part of a secret behind its prefix.
const anySecret = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

func missingSetuptools() string {
	if why := missing("python3", "python3")(); why != "" {
		return why
	}
	if exec.Command("python3", "-c", "import setuptools, pip; assert int(setuptools.__version__.split('.')[0]) >= 71").Run() != nil { // it makes wheels alone
		return "Python 3 with pip and a recent setuptools is not installed: pip install -r sdk/testdata/python/requirements.txt"
	}
	return ""
}
