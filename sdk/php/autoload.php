<?php

// For projects without Composer: require this file.

declare(strict_types=1);

spl_autoload_register(static function (string $class): void {
    if (str_starts_with($class, 'Malote\\') && preg_match('/^Malote\\\\\w+$/', $class)) {
        $file = __DIR__ . '/src/' . substr($class, 7) . '.php';
        if (is_file($file)) {
            require $file;
        }
    }
});
