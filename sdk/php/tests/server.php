<?php

// Answers from a list and writes down what it was asked; see run.php.

declare(strict_types=1);

[, $dir] = $argv;
$answers = json_decode((string) file_get_contents("$dir/answers.json"), true);
$server = stream_socket_server('tcp://127.0.0.1:0');
echo stream_socket_get_name($server, false), "\n";
while ($c = stream_socket_accept($server, 60)) {
    $head = '';
    while (($line = fgets($c)) !== false && rtrim($line) !== '') {
        $head .= $line;
    }
    $length = preg_match('/^Content-Length: (\d+)/mi', $head, $m) ? (int) $m[1] : 0;
    $body = $length > 0 ? stream_get_contents($c, $length) : '';
    file_put_contents("$dir/asked", json_encode(['path' => explode(' ', $head)[1] ?? '', 'head' => $head, 'body' => $body]) . "\n", FILE_APPEND);
    [$status, $answer, $header] = [...(array_shift($answers) ?? [200, []]), ''];
    if ($status > 0) {
        $text = json_encode($answer);
        fwrite($c, "HTTP/1.1 $status x\r\nContent-Length: " . strlen($text) . "\r\nConnection: close\r\n" . ($header === '' ? '' : "$header\r\n") . "\r\n$text");
    }
    fclose($c);
}
