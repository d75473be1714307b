#!/usr/bin/env python3
"""Help, manual page and completion, none of which need a manager."""

import pathlib
import shutil
import subprocess

from cli_test import CliTest, main, program


class HelpTest(CliTest):
    def test_help_of_everything(self):
        self.assert_golden("help", self.vireo("--help").out)

    def test_help_of_a_noun(self):
        self.assert_golden("help-vm", self.vireo("vm", "--help").out)

    def test_help_of_verbs(self):
        for words in ("vm list", "vm create", "vm disk add", "disk upload", "storage add", "login"):
            with self.subTest(words):
                name = "help-" + words.replace(" ", "-")
                self.assert_golden(name, self.vireo(*words.split(), "--help").out)

    def test_help_of_the_administrators_program(self):
        self.assert_golden("help-vireo-manager",
                           self.run_program("--help", name="vireo-manager").out)

    def test_version(self):
        self.assertRegex(self.vireo("--version").out, r"^vireo \d+\.\d+\.\d+\n$")

    def test_nothing_is_a_usage_error_and_helps(self):
        result = self.vireo(code=2)
        self.assertEqual(result.out, "")
        self.assertIn("Usage: vireo NOUN VERB", result.err)

    def test_usage_errors(self):
        for words, text in (
                ("vm strat web", 'There is no "vireo vm strat".'),
                ("vm start", "vireo vm start needs VM."),
                ("vm", "A verb is missing."),
                ("vm create x --memory 5Q", '--memory: "5Q" is no SIZE.')):
            with self.subTest(words):
                result = self.vireo(*words.split(), code=2)
                self.assertEqual(result.out, "")
                self.assertIn(text, result.err)
                self.assertTrue(result.err.startswith("vireo: "))

    def test_manual_pages_are_sound(self):
        for name in ("vireo", "vireo-manager"):
            page = self.run_program("--man", name=name).out
            self.assertTrue(page.startswith(".TH VIREO"))
            self.assertIn(".SH EXIT STATUS", page)
            if not shutil.which("groff"):
                continue
            done = subprocess.run(["groff", "-man", "-ww", "-Tutf8", "-"], input=page, text=True,
                                  capture_output=True)
            self.assertEqual(done.stderr, "")


class CompletionTest(CliTest):
    def complete(self, *words):
        return [line.split("\t")[0] for line in self.vireo("complete", "--", *words).lines]

    def test_words(self):
        self.assertEqual(self.complete("vm", "di"), ["disk"])
        self.assertEqual(self.complete("vm", "console", "web", "--protocol", ""), ["spice", "vnc"])

    def test_files(self):
        self.assertEqual(self.complete("disk", "upload", ""), [":files"])

    def test_objects_without_a_login_are_silent(self):
        result = self.vireo("complete", "--", "vm", "start", "")
        self.assertEqual((result.out, result.err), ("", ""))

    def test_bash_loads_the_script(self):
        script = self.vireo("completion", "bash").out
        done = subprocess.run(
            ["bash", "--norc", "-c",
             f"PATH={pathlib.Path(program('vireo')).parent}:$PATH\n"
             f"{script}\nCOMP_WORDS=(vireo vm cons) COMP_CWORD=2\n_vireo\n"
             "printf '%s\\n' \"${COMPREPLY[@]}\""],
            text=True, capture_output=True, env=self.environment)
        self.assertEqual((done.stdout, done.stderr), ("console\n", ""))

    def test_an_unknown_shell(self):
        self.assertIn("bash|zsh", self.vireo("completion", "fish", code=2).err)


if __name__ == "__main__":
    main("vireo", "vireo-manager")
