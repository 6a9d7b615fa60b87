<?php

// Judges the requests of standard input: a line "cause proof" for each.

declare(strict_types=1);

require __DIR__ . '/../../php/autoload.php';

foreach (json_decode((string) stream_get_contents(STDIN), true, 64, JSON_THROW_ON_ERROR) as $v) {
    $got = (new Malote\Webhook($v['secrets'], $v['dialect']))->verify($v['headers'], (string) base64_decode($v['body'] ?? ''), $v['now']);
    echo "$got->cause $got->proof\n";
}
